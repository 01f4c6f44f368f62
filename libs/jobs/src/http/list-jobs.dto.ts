import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, Length, MaxLength } from 'class-validator';
import { IsTimestamp, QueryInt } from '@genledger/platform';
import { JOB_KINDS, JOB_STATUSES } from '../job-events';
import { IsId, Optional } from './job-validators';
import { MinPositionDto } from './min-position';

export class ListJobsDto extends MinPositionDto {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100, default: 20 })
  @Optional()
  @QueryInt({ min: 1, max: 100 })
  limit?: number;

  @ApiPropertyOptional()
  @Optional()
  @IsString()
  @MaxLength(1_100)
  cursor?: string;

  @ApiPropertyOptional({ enum: JOB_STATUSES })
  @Optional()
  @IsIn(JOB_STATUSES)
  status?: (typeof JOB_STATUSES)[number];

  @ApiPropertyOptional({ format: 'uuid' })
  @Optional()
  @IsId()
  project_id?: string;

  @ApiPropertyOptional({ maxLength: 64 })
  @Optional()
  @IsString()
  @Length(1, 64)
  mode?: string;

  @ApiPropertyOptional({ enum: JOB_KINDS })
  @Optional()
  @IsIn(JOB_KINDS)
  kind?: (typeof JOB_KINDS)[number];

  @ApiPropertyOptional({ format: 'uuid' })
  @Optional()
  @IsId()
  input_asset_id?: string;

  @ApiPropertyOptional({ maxLength: 64 })
  @Optional()
  @IsString()
  @Length(1, 64)
  tag?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  @Optional()
  @IsTimestamp()
  created_after?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  @Optional()
  @IsTimestamp()
  created_before?: string;
}
