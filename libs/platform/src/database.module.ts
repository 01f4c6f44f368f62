import { Global, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { GENLEDGER_CONFIG } from './config';
import type { Config } from './config';
import { Database, DATABASE_OPTIONS } from './database';
import type { DatabaseOptions } from './database';

/** The configuration and the connections, for every module of the process. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(config: Config, options: DatabaseOptions): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        { provide: GENLEDGER_CONFIG, useValue: config },
        { provide: DATABASE_OPTIONS, useValue: options },
        Database,
      ],
      exports: [GENLEDGER_CONFIG, Database],
    };
  }
}
