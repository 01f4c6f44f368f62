import { Module } from '@nestjs/common';
import type { DynamicModule, ModuleMetadata } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { TextToImageController } from './http/text-to-image.controller';
import { LEASE_MS } from '@genledger/jobs';
import { IMAGE_GENERATOR, Painter } from './image-generator';
import { JOB_LEASE_MS, JobWorker } from './job-worker';

@Module({})
export class GenerationModule {
  static forRoot({ imports = [] }: Pick<ModuleMetadata, 'imports'> = {}): DynamicModule {
    return {
      module: GenerationModule,
      imports: [CqrsModule, ...imports],
      controllers: [TextToImageController],
      providers: [
        { provide: IMAGE_GENERATOR, useClass: Painter },
        { provide: JOB_LEASE_MS, useValue: LEASE_MS },
        JobWorker,
      ],
      exports: [JobWorker],
    };
  }
}
