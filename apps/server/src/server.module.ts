import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { EventStoreModule } from '@genledger/event-store';
import { GenerationModule, imageModel } from '@genledger/generation';
import { GenerationJobRow, JobsModule } from '@genledger/jobs';
import { currentBaseUrl, Database, DatabaseModule, PlatformHttpModule } from '@genledger/platform';
import type { Config, ServerUrls } from '@genledger/platform';
import { UploadLinks, UploadsModule } from '@genledger/uploads';

/** Composes the contexts; holds no logic. */
@Module({})
export class ServerModule {
  static forRoot(config: Config, urls: ServerUrls): DynamicModule {
    const jobs = JobsModule.forRoot({
      imports: [UploadsModule],
      imageModel: imageModel(config.imageProvider),
      outputLinks: {
        inject: [UploadLinks as never],
        useFactory: (links: UploadLinks) => ({ sign: (id: string) => links.sign(id, currentBaseUrl()) }),
      },
    });
    return {
      module: ServerModule,
      imports: [
        DatabaseModule.forRoot(config, { ...urls, entities: [GenerationJobRow] }),
        EventStoreModule.forRootAsync({
          inject: [Database],
          useFactory: async (database: Database) => {
            await database.connect();
            return { pool: database.writer, openSession: () => database.openSession('genledger doorbell') };
          },
        }),
        PlatformHttpModule.forRoot({
          config,
          probes: {
            inject: [Database],
            useFactory: (database: Database) => [
              { name: 'database', check: () => database.write('select 1 as up').then(() => undefined) },
            ],
          },
        }),
        ScheduleModule.forRoot(),
        UploadsModule,
        jobs,
        GenerationModule.forRoot({ imports: [jobs, UploadsModule] }),
      ],
    };
  }
}
