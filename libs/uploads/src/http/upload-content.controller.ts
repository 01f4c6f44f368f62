import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Problem, Public } from '@genledger/platform';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ObjectStorage } from '../object-storage';
import { UploadLinks } from '../upload-links';
import type { Upload } from '../upload';
import { Uploads } from '../uploads';

/** Serves bytes to whoever holds a signed link, in a way that no browser runs them. */
@ApiTags('Uploads')
@Controller('v1/uploads')
export class UploadContentController {
  constructor(
    private readonly uploads: Uploads,
    private readonly storage: ObjectStorage,
    private readonly links: UploadLinks,
  ) {}

  /** Answers HEAD too. */
  @Public()
  @Get(':id/content')
  async content(
    @Param('id') id: string,
    @Query('expires') expires: unknown,
    @Query('signature') signature: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<FastifyReply> {
    const verdict = this.links.verify(id, expires, signature);
    if (verdict !== 'valid') throw new Problem(verdict);
    const upload = await this.uploads.find(id);
    if (!upload) throw new Problem('not-found');
    reply.headers(headersFor(upload, Number(expires)));
    if (namesTag(request.headers['if-none-match'], upload.sha256)) return reply.code(304).send();
    // Fastify counts a HEAD answer's bytes itself, unless they are a stream.
    if (request.method === 'HEAD') return reply.header('content-length', upload.size).send(Readable.from([]));
    const object = await this.storage.get(upload.storageKey);
    if (!object) throw new Problem('not-found');
    return reply.header('content-length', object.size).send(object.stream);
  }
}

function headersFor(upload: Upload, expires: number): Record<string, string> {
  const secondsLeft = Math.max(0, expires - Math.ceil(Date.now() / 1000));
  return {
    'content-type': upload.mimeType,
    'content-disposition': upload.purpose === 'generation_output' ? 'inline' : 'attachment',
    'content-security-policy': `default-src 'none'; sandbox`,
    'x-content-type-options': 'nosniff',
    'cache-control': `private, max-age=${secondsLeft}`,
    etag: `"${upload.sha256}"`,
  };
}

function namesTag(header: string | undefined, sha256: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => ['*', `"${sha256}"`, `W/"${sha256}"`].includes(tag.trim()));
}
