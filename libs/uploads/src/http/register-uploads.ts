import multipart from '@fastify/multipart';
import type { FastifyInstance } from 'fastify';
import { MAX_UPLOAD_BYTES } from '../image-facts';

/** Lets the server read multipart bodies. Call it once, before the server listens. */
export async function registerUploads(fastify: FastifyInstance): Promise<void> {
  await fastify.register(multipart, {
    throwFileSizeLimit: true,
    limits: {
      files: 1,
      fields: 0,
      parts: 1,
      fileSize: MAX_UPLOAD_BYTES,
      headerPairs: 32,
      fieldNameSize: 100,
    },
  });
}
