import { Module } from '@nestjs/common';
import type { DynamicModule, ModuleMetadata } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { TextToImageController } from './http/text-to-image.controller';
import { IMAGE_GENERATOR, Painter } from './image-generator';
import { JobWorker } from './job-worker';

@Module({})
export class GenerationModule {
  static forRoot({ imports = [] }: Pick<ModuleMetadata, 'imports'> = {}): DynamicModule {
    return {
      module: GenerationModule,
      imports: [CqrsModule, ...imports],
      controllers: [TextToImageController],
      providers: [{ provide: IMAGE_GENERATOR, useClass: Painter }, JobWorker],
      exports: [JobWorker],
    };
  }
}
