import { Controller, Delete, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentActor, currentBaseUrl, CursorCodec, IdParam, Problem, type Actor } from '@genledger/platform';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { UploadRefused } from '../image-facts';
import { UploadLinks } from '../upload-links';
import { Uploads } from '../uploads';
import { ListUploadsQuery, receiveFile, toProblem } from './upload-requests';
import { toUploadResource, type UploadResource } from './upload-resource';

export interface UploadList {
  readonly data: readonly UploadResource[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

@ApiTags('Uploads')
@Controller('v1/uploads')
export class UploadsController {
  constructor(
    private readonly uploads: Uploads,
    private readonly links: UploadLinks,
    private readonly cursors: CursorCodec,
  ) {}

  @Get()
  async list(
    @CurrentActor() actor: Actor,
    @Query() { purpose, limit = 20, cursor }: ListUploadsQuery,
  ): Promise<UploadList> {
    const binding = { userId: actor.userId, filter: { route: 'uploads', purpose } };
    const before = cursor === undefined ? undefined : this.cursors.decode<{ id: string }>(cursor, binding).id;
    const page = await this.uploads.list(actor, { purpose, before, limit });
    const last = page.hasMore ? page.uploads.at(-1) : undefined;
    return {
      data: page.uploads.map((upload) => toUploadResource(upload, this.links, currentBaseUrl())),
      has_more: page.hasMore,
      next_cursor: last ? this.cursors.encode({ id: last.id }, binding) : null,
    };
  }

  @Get(':id')
  async get(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<UploadResource> {
    const upload = await this.uploads.get(actor, id);
    if (!upload) throw new Problem('not-found');
    return toUploadResource(upload, this.links, currentBaseUrl());
  }

  @Post()
  async create(
    @CurrentActor() actor: Actor,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UploadResource> {
    const { bytes, mimeType } = await receiveFile(request);
    try {
      const upload = await this.uploads.store({
        userId: actor.userId,
        purpose: 'input',
        bytes,
        declaredMimeType: mimeType,
      });
      void reply.header('location', `/v1/uploads/${upload.id}`);
      return toUploadResource(upload, this.links, currentBaseUrl());
    } catch (error) {
      throw error instanceof UploadRefused ? toProblem(error) : error;
    }
  }

  @Delete(':id')
  @HttpCode(204)
  async delete(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<void> {
    const outcome = await this.uploads.delete(actor, id);
    switch (outcome) {
      case 'deleted':
        return;
      case 'absent':
        throw new Problem('not-found');
      case 'in_use':
        throw new Problem('asset-in-use');
    }
  }
}
