import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import { deriveKey, GENLEDGER_CONFIG, loadServerSecret, type Config } from '@genledger/platform';
import { UploadContentController } from './http/upload-content.controller';
import { UploadsController } from './http/uploads.controller';
import { LocalDiskStorage } from './local-disk-storage';
import { ObjectStorage } from './object-storage';
import { UploadLinks } from './upload-links';
import { UploadSweeper } from './upload-sweeper';
import { Uploads } from './uploads';

/** Processes that share JWT_SECRET honour each other's links, whatever their homes hold. */
function linkKey(config: Config): Buffer {
  const secret =
    config.jwt.secret === undefined ? loadServerSecret(config.home) : Buffer.from(config.jwt.secret);
  return deriveKey(secret, 'upload-links');
}

@Module({
  controllers: [UploadsController, UploadContentController],
  providers: [
    Uploads,
    UploadSweeper,
    { provide: ObjectStorage, inject: [GENLEDGER_CONFIG], useFactory: openStorage },
    {
      provide: UploadLinks,
      inject: [GENLEDGER_CONFIG],
      useFactory: (config: Config) => new UploadLinks(linkKey(config)),
    },
  ],
  exports: [Uploads, UploadLinks, ObjectStorage],
})
export class UploadsModule {}

/** The storage that STORAGE_URL names. */
export function openStorage(config: Config): ObjectStorage {
  const url = new URL(config.storageUrl);
  if (url.protocol !== 'file:')
    throw new Error(`STORAGE_URL: there is no driver for ${url.protocol}//; allowed: file:`);
  return new LocalDiskStorage(fileURLToPath(url));
}
