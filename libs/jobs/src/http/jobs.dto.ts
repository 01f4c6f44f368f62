import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsString,
  Length,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsTimestamp } from '@genledger/platform';
import { JOB_STATUSES } from '../job-events';
import { ASPECT_RATIOS, MAX_IMAGES, MAX_PROMPT, MAX_SEED } from '../text-to-image';
import { IsId, IsMetadata, IsNotBlank, Nullable, Optional } from './job-validators';

/** Kinds that exist today; the others come with their contexts. */
export const OPEN_KINDS = ['text_to_image', 'external'] as const;
const MAX_CENTS = 2_147_483_647;

export class CreateJobDto {
  @ApiPropertyOptional({
    enum: OPEN_KINDS,
    description: 'text_to_image where a prompt is given, else external',
  })
  @Optional()
  @IsIn(OPEN_KINDS)
  kind?: (typeof OPEN_KINDS)[number];

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @Nullable()
  @IsId()
  project_id?: string | null;

  @ApiPropertyOptional({ description: 'What the job is for; required for external jobs', maxLength: 64 })
  @Optional()
  @IsString()
  @Length(1, 64)
  mode?: string;

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @Nullable()
  @IsId()
  input_asset_id?: string | null;

  @ApiPropertyOptional({ maxLength: MAX_PROMPT })
  @Optional()
  @IsString()
  @IsNotBlank()
  @MaxLength(MAX_PROMPT)
  prompt?: string;

  @ApiPropertyOptional({ maxLength: MAX_PROMPT })
  @Optional()
  @IsString()
  @MaxLength(MAX_PROMPT)
  negative_prompt?: string;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_IMAGES,
    description: '1 where it is left out',
  })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(MAX_IMAGES)
  number_of_images?: number;

  @ApiPropertyOptional({ enum: ASPECT_RATIOS, description: '1:1 where it is left out' })
  @Optional()
  @IsIn(ASPECT_RATIOS)
  aspect_ratio?: (typeof ASPECT_RATIOS)[number];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_SEED,
    description: 'Chosen where it is left out',
  })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(MAX_SEED)
  seed?: number;

  @ApiPropertyOptional({ description: 'The model that this server runs, which is also the default' })
  @Optional()
  @IsString()
  model?: string;

  @ApiPropertyOptional({ type: Object, additionalProperties: { type: 'string' } })
  @Optional()
  @IsMetadata()
  metadata?: Record<string, string>;

  @ApiPropertyOptional({ type: [String], maxItems: 16 })
  @Optional()
  @IsArray()
  @ArrayMaxSize(16)
  @ArrayUnique()
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  tags?: string[];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: -100,
    maximum: 100,
    description: 'Higher goes first; 0 where left out',
  })
  @Optional()
  @IsInt()
  @Min(-100)
  @Max(100)
  priority?: number;

  @ApiPropertyOptional({ type: String, format: 'date-time', nullable: true, description: 'Not before' })
  @Nullable()
  @IsTimestamp()
  run_at?: string | null;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Fails if not started by then',
  })
  @Nullable()
  @IsTimestamp()
  deadline?: string | null;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 20, description: '3 where it is left out' })
  @Optional()
  @IsInt()
  @Min(1)
  @Max(20)
  max_attempts?: number;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_CENTS,
    description: 'External jobs: cost so far',
  })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(MAX_CENTS)
  cost_cents?: number;
}

export class BatchItemDto extends CreateJobDto {
  @ApiPropertyOptional({ maxLength: 255, description: 'Makes this item repeatable by itself' })
  @Optional()
  @IsString()
  @Length(1, 255)
  idempotency_key?: string;
}

export const MAX_BATCH = 10_000;

/** Items are validated one by one: a bad one is refused by itself. */
export class CreateBatchDto {
  @ApiProperty({ type: 'array', items: { $ref: '#/components/schemas/BatchItemDto' }, maxItems: MAX_BATCH })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_BATCH)
  @IsObject({ each: true })
  jobs!: object[];
}

export class ChangeJobDto {
  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @Nullable()
  @IsId()
  project_id?: string | null;

  @ApiPropertyOptional({ maxLength: 64 })
  @Optional()
  @IsString()
  @Length(1, 64)
  mode?: string;

  @ApiPropertyOptional({ type: Object, additionalProperties: { type: 'string' } })
  @Optional()
  @IsMetadata()
  metadata?: Record<string, string>;

  @ApiPropertyOptional({ type: [String], maxItems: 16 })
  @Optional()
  @IsArray()
  @ArrayMaxSize(16)
  @ArrayUnique()
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  tags?: string[];

  @ApiPropertyOptional({ type: 'integer', minimum: -100, maximum: 100 })
  @Optional()
  @IsInt()
  @Min(-100)
  @Max(100)
  priority?: number;
}

export class TransitionJobDto {
  @ApiProperty({ enum: JOB_STATUSES })
  @IsIn(JOB_STATUSES)
  status!: (typeof JOB_STATUSES)[number];

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    maxLength: 4_000,
    description: 'Why it failed, for people',
  })
  @Nullable()
  @IsString()
  @Length(1, 4_000)
  error?: string | null;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_CENTS,
    description: 'What the job has cost in all',
  })
  @Optional()
  @IsInt()
  @Min(0)
  @Max(MAX_CENTS)
  cost_cents?: number;
}

export class AddedOutputDto {
  @ApiProperty({ format: 'uuid' })
  @IsId()
  upload_id!: string;
}

export class AddOutputsDto {
  @ApiProperty({ type: [AddedOutputDto], minItems: 1, maxItems: MAX_IMAGES })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_IMAGES)
  @ValidateNested({ each: true })
  @Type(() => AddedOutputDto)
  outputs!: AddedOutputDto[];
}
