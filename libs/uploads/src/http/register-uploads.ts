import multipart from '@fastify/multipart';
import { Problem } from '@genledger/platform';
import type { FastifyInstance } from 'fastify';
import { MAX_UPLOAD_BYTES } from '../image-facts';

/** Lets the server read multipart bodies. Call it once, before the server listens. */
export async function registerUploads(fastify: FastifyInstance): Promise<void> {
  // The parser below is the whole server's, and all other routes read JSON.
  fastify.addHook('onRequest', (request, _reply, done) => {
    const isForm = /^multipart\//i.test(request.headers['content-type'] ?? '');
    const takesForms = request.routeOptions.url === '/v1/uploads' || ['GET', 'HEAD'].includes(request.method);
    done(isForm && !takesForms ? new Problem('unsupported-media-type') : undefined);
  });
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
