import {
  DynamicModule,
  FactoryProvider,
  Global,
  Inject,
  Module,
  ModuleMetadata,
  OnApplicationShutdown,
  OnModuleInit,
} from '@nestjs/common';
import type { Client, Pool } from 'pg';
import { Doorbell } from './doorbell';
import { Feed, Watermark } from './feed';
import { StreamStore } from './streams';

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
export class EventStoreModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(Doorbell) private readonly doorbell: Doorbell) {}

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
          provide: Feed,
          inject: [EVENT_STORE, Watermark],
          useFactory: (store: EventStoreConnection, watermark: Watermark) => new Feed(store.pool, watermark),
        },
        {
          provide: StreamStore,
          inject: [EVENT_STORE, Doorbell],
          useFactory: (store: EventStoreConnection, doorbell: Doorbell) =>
            new StreamStore(store.pool, { onCommitted: () => doorbell.ring() }),
        },
      ],
      exports: [EVENT_STORE, Doorbell, Watermark, Feed, StreamStore],
    };
  }

  async onModuleInit(): Promise<void> {
    await this.doorbell.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.doorbell.close();
  }
}
