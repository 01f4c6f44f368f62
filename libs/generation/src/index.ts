export { GenerationModule } from './generation.module';
export { imageModel } from './generator-by-model';
export { GenerationFailed, IMAGE_GENERATOR, Painter } from './image-generator';
export type { GeneratedImage, ImageGenerator, ImageRequest } from './image-generator';
export { JOB_LEASE_MS, JobWorker } from './job-worker';
