export { GenerationModule } from './generation.module';
export { GenerationFailed, IMAGE_GENERATOR, Painter } from './image-generator';
export type { GeneratedImage, ImageGenerator, ImageRequest } from './image-generator';
export { JobWorker } from './job-worker';
