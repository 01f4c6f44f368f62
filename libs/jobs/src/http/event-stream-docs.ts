import { applyDecorators } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiProperty,
  getSchemaPath,
} from '@nestjs/swagger';

/** An event of a job, in a history and as `data` of a stream. */
export class JobEventDto {
  @ApiProperty({ format: 'uuid' })
  job_id!: string;

  @ApiProperty({ example: 'JobSucceeded' })
  type!: string;

  @ApiProperty({ type: 'integer', description: '1, 2, 3 … within the job' })
  version!: number;

  @ApiProperty({ type: 'integer', description: 'Rises over all jobs, with gaps' })
  position!: number;

  @ApiProperty({ format: 'date-time' })
  recorded_at!: string;

  @ApiProperty({ example: 'user:11111111-1111-4111-8111-111111111111' })
  actor!: string;

  @ApiProperty({ type: 'object', additionalProperties: true })
  data!: Record<string, unknown>;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'What people and providers wrote; null where there is nothing, or it was erased',
  })
  content!: Record<string, unknown> | null;

  @ApiProperty({ type: 'object', additionalProperties: true })
  meta!: Record<string, unknown>;
}

const STREAM_DESCRIPTION =
  'Server-sent events: `id` is `epoch:position`, `data` an event as a history shows it. A last event named `end` says ' +
  'why the stream ends: `{"reason":"job_ended|token_expired|server_stopping|log_restored"}`.';

export const LAST_EVENT_ID = {
  name: 'Last-Event-ID',
  required: false,
  description: 'Id of the last event that was received: the stream goes on after it',
  schema: { type: 'string' as const, example: '1:500' },
};

const event = { $ref: getSchemaPath(JobEventDto) };
const stream = { 'text/event-stream': { schema: { type: 'string' as const }, itemSchema: event } };

export const ApiEventStream = (): MethodDecorator =>
  applyDecorators(
    ApiExtraModels(JobEventDto),
    ApiOkResponse({ description: STREAM_DESCRIPTION, content: stream }),
  );

/** A history as JSON, or as a stream where that is asked for. */
export const ApiHistoryOrStream = (): MethodDecorator =>
  applyDecorators(
    ApiExtraModels(JobEventDto),
    ApiOkResponse({
      description: `The history as JSON, oldest first. With \`Accept: text/event-stream\`: ${STREAM_DESCRIPTION}`,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['data'],
            properties: { data: { type: 'array', items: event } },
          },
        },
        ...stream,
      },
    }),
    ApiNoContentResponse({ description: 'The job has ended, and there is nothing after Last-Event-ID' }),
  );
