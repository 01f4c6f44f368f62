import { Module } from '@nestjs/common';
import type { DynamicModule, ModuleMetadata } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { TextToImageController } from './http/text-to-image.controller';
import { LEASE_MS } from '@genledger/jobs';
import { GENLEDGER_CONFIG } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { GeneratorByModel } from './generator-by-model';
import { IMAGE_GENERATOR } from './image-generator';
import { JOB_LEASE_MS, JobWorker } from './job-worker';

@Module({})
export class GenerationModule {
  static forRoot({ imports = [] }: Pick<ModuleMetadata, 'imports'> = {}): DynamicModule {
    return {
      module: GenerationModule,
      imports: [CqrsModule, ...imports],
      controllers: [TextToImageController],
      providers: [
        {
          provide: IMAGE_GENERATOR,
          inject: [GENLEDGER_CONFIG],
          useFactory: ({ imageProvider }: Config) => new GeneratorByModel(imageProvider),
        },
        { provide: JOB_LEASE_MS, useValue: LEASE_MS },
        JobWorker,
      ],
      exports: [JobWorker],
    };
  }
}
