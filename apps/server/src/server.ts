import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  configureHttp,
  createFastifyAdapter,
  createLogger,
  JsonLogger,
  migrateDatabase,
  reachDatabase,
  serverUrls,
  setupOpenApi,
  startEmbeddedPostgres,
} from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { registerUploads } from '@genledger/uploads';
import { listenError, refuseTakenAddress } from './listen-address';
import { ServerModule } from './server.module';

export interface RunningServer {
  readonly app: NestFastifyApplication;
  /** `http://host:port` */
  readonly address: string;
  /** The database's superuser or owner, as it was migrated with. */
  readonly adminUrl: string | undefined;
  /** Stops the app, then the database that was started for it. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly log?: (line: string) => void;
  /** JSON lines on standard output where not given. */
  readonly logger?: LoggerService;
  /** Port of the embedded database; 0: any free one. */
  readonly databasePort?: number;
}

/** Brings everything up: database (embedded unless given), migrations, the application, its HTTP server. */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? (() => undefined);
  await refuseTakenAddress(config);
  if (config.databaseUrl !== undefined) await reachDatabase(config.databaseUrl);
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({ home: config.home, port: options.databasePort, log })
      : undefined;
  try {
    const adminUrl = config.databaseUrl ?? embedded?.url;
    if (adminUrl === undefined) throw new Error('there is no database to run on');
    const migrated = await migrateDatabase(adminUrl);
    if (migrated.length > 0) log(`migrated: ${migrated.join(', ')}`);
    const urls = serverUrls(adminUrl, config.databaseAppUrl);
    const app = await createApp(config, urls, options.logger);
    try {
      await app.listen(config.port, config.host);
    } catch (error) {
      await app.close();
      throw listenError(error as Error, config);
    }
    const address = await app.getUrl();
    return {
      app,
      address,
      adminUrl,
      close: async () => {
        await app.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

/** The application on a migrated database, not yet listening. */
export async function createApp(
  config: Config,
  urls: ReturnType<typeof serverUrls>,
  logger: LoggerService = new JsonLogger(createLogger(config.logLevel)),
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    ServerModule.forRoot(config, urls),
    createFastifyAdapter({ formLabelledJsonRoutes: ['/api/generate/text-to-image'] }),
    { logger, abortOnError: false },
  );
  await prepareApp(app);
  return app;
}

/** What an application needs besides its modules; for tests that compose it themselves. */
export async function prepareApp(app: NestFastifyApplication): Promise<void> {
  await registerUploads(app.getHttpAdapter().getInstance());
  configureHttp(app);
  setupOpenApi(app);
}
