import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import { fingerprintOf, GetJob, JobPresenter, QueueJobs } from '@genledger/jobs';
import { CurrentActor, currentRequestId, IdempotencyKey, IdParam, Problem } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { generationStatus, GenerationStatus } from './generation-status';
import { TextToImageDto } from './text-to-image.dto';

/** The routes that the seed's clients call, in its words. What they queue are jobs like any other. */
@ApiTags('compatibility')
@Controller('api/generate')
export class TextToImageController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(JobPresenter) private readonly presenter: JobPresenter,
  ) {}

  @Post('text-to-image')
  @HttpCode(202)
  @ApiHeader({ name: 'Idempotency-Key', required: false })
  async create(
    @CurrentActor() actor: Actor,
    @Body() body: TextToImageDto,
    @IdempotencyKey() key: string | undefined,
  ): Promise<GenerationStatus> {
    const { prompt, negativePrompt, numberOfImages, aspectRatio, seed } = body;
    const sent = {
      negative_prompt: negativePrompt,
      number_of_images: numberOfImages,
      aspect_ratio: aspectRatio,
      seed,
    };
    const given = Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== undefined));
    const item = {
      request: { kind: 'text_to_image', textToImage: { prompt, ...given } } as const,
      key: this.presenter.key(actor, key, fingerprintOf('POST /api/generate/text-to-image', body)),
    };
    const [queued] = await this.commands.execute(new QueueJobs(actor, [item], currentRequestId()));
    return generationStatus(await this.presenter.queued(actor, queued!));
  }

  @Get('queue/:generationId')
  async status(@CurrentActor() actor: Actor, @IdParam('generationId') id: string): Promise<GenerationStatus> {
    const job = await this.queries.execute(new GetJob(actor, id));
    if (job?.kind !== 'text_to_image') throw new Problem('not-found');
    return generationStatus(job);
  }
}
