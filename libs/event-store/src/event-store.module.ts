import {
  DynamicModule,
  FactoryProvider,
  Global,
  Inject,
  Logger,
  Module,
  ModuleMetadata,
  OnApplicationShutdown,
  OnModuleDestroy,
  OnModuleInit,
} from '@nestjs/common';
import type { Client, Pool } from 'pg';
import { Doorbell } from './doorbell';
import { Feed, Watermark } from './feed';
import { LogTail } from './log-tail';
import { StreamStore } from './streams';
import { WatermarkWatch } from './watermark-watch';

/** What the store needs of the process: connections of a login that is genledger_writer. */
export interface EventStoreConnection {
  readonly pool: Pool;
  /** A session outside the pool, for LISTEN. */
  openSession(): Promise<Client>;
}

export const EVENT_STORE = Symbol('EVENT_STORE');

export interface EventStoreModuleOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: FactoryProvider<EventStoreConnection>['useFactory'];
}

@Global()
@Module({})
export class EventStoreModule implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  constructor(
    @Inject(Doorbell) private readonly doorbell: Doorbell,
    @Inject(LogTail) private readonly tail: LogTail,
    @Inject(WatermarkWatch) private readonly watch: WatermarkWatch,
  ) {}

  static forRootAsync(options: EventStoreModuleOptions): DynamicModule {
    const fromStore = <T>(
      make: (store: EventStoreConnection) => T,
    ): Pick<FactoryProvider<T>, 'inject' | 'useFactory'> => ({
      inject: [EVENT_STORE],
      useFactory: make,
    });
    return {
      module: EventStoreModule,
      imports: options.imports ?? [],
      providers: [
        { provide: EVENT_STORE, inject: options.inject ?? [], useFactory: options.useFactory },
        { provide: Doorbell, ...fromStore((store) => new Doorbell(() => store.openSession())) },
        { provide: Watermark, ...fromStore((store) => new Watermark(store.pool)) },
        {
          provide: WatermarkWatch,
          inject: [Watermark, Doorbell],
          useFactory: (watermark: Watermark, doorbell: Doorbell) => new WatermarkWatch(watermark, doorbell),
        },
        {
          provide: Feed,
          inject: [EVENT_STORE, Watermark],
          useFactory: (store: EventStoreConnection, watermark: Watermark) => new Feed(store.pool, watermark),
        },
        {
          provide: LogTail,
          inject: [EVENT_STORE, Watermark, Doorbell],
          useFactory: (store: EventStoreConnection, watermark: Watermark, doorbell: Doorbell) => {
            const logger = new Logger(LogTail.name);
            return new LogTail(store.pool, watermark, doorbell, (error) =>
              logger.error({ message: 'following the log failed; it will be tried again', error }),
            );
          },
        },
        {
          provide: StreamStore,
          inject: [EVENT_STORE, Doorbell],
          useFactory: (store: EventStoreConnection, doorbell: Doorbell) =>
            new StreamStore(store.pool, { onCommitted: () => doorbell.ring() }),
        },
      ],
      exports: [EVENT_STORE, Doorbell, Watermark, WatermarkWatch, Feed, LogTail, StreamStore],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.doorbell.open();
  }

  /** Before the HTTP server closes, which waits for the requests that wait. */
  onModuleDestroy(): void {
    this.watch.close();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.tail.close();
    await this.doorbell.close();
  }
}
