import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  GeneratedImage,
  IMAGE_GENERATOR,
  ImageGenerator,
  ImageRequest,
  JOB_LEASE_MS,
} from '@genledger/generation';
import {
  createFastifyAdapter,
  createLogger,
  JsonLogger,
  loadConfig,
  migrateDatabase,
  serverUrls,
  startEmbeddedPostgres,
} from '@genledger/platform';
import { prepareApp } from '../../apps/server/src/server';
import { ServerModule } from '../../apps/server/src/server.module';
import { TinyGenerator } from './generators';

/**
 * The real application on its own embedded database, in a process that can be killed. Images wait for a file `gate` in
 * the home; leases are 2 s. Prints one line of JSON when it serves: { url, adminUrl }.
 */
const LEASE_MS = 2_000;

class FileGatedGenerator implements ImageGenerator {
  private readonly next = new TinyGenerator();

  constructor(private readonly gate: string) {}

  async generate(request: ImageRequest): Promise<GeneratedImage> {
    while (!existsSync(this.gate)) {
      request.signal.throwIfAborted();
      await pause(20);
    }
    return this.next.generate(request);
  }
}

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const embedded = await startEmbeddedPostgres({ home: config.home });
  await migrateDatabase(embedded.url);
  const testing = await Test.createTestingModule({
    imports: [ServerModule.forRoot(config, serverUrls(embedded.url))],
  })
    .overrideProvider(IMAGE_GENERATOR)
    .useValue(new FileGatedGenerator(join(config.home, 'gate')))
    .overrideProvider(JOB_LEASE_MS)
    .useValue(LEASE_MS)
    .compile();
  const app = testing.createNestApplication<NestFastifyApplication>(createFastifyAdapter(), {
    logger: new JsonLogger(createLogger(config.logLevel, process.stderr)),
  });
  await prepareApp(app);
  await app.listen(0, '127.0.0.1');
  process.stdout.write(`${JSON.stringify({ url: await app.getUrl(), adminUrl: embedded.url })}\n`);
  process.on('SIGTERM', () => {
    void app
      .close()
      .then(() => embedded.stop())
      .then(() => process.exit(0));
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
