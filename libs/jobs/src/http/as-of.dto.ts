import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, registerDecorator } from 'class-validator';
import { parseAsOf } from '../read-models/as-of';
import type { AsOf } from '../read-models/as-of';
import { COST_GROUPS } from '../read-models/statistics-reader';
import { Optional } from './job-validators';
import { MinPositionDto } from './min-position';

/** A query parameter that is a position of the log or an RFC 3339 timestamp, read as {@link AsOf}. */
function QueryAsOf(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => parseAsOf(value) ?? value),
    (target: object, property: string | symbol) =>
      registerDecorator({
        name: 'isAsOf',
        target: target.constructor,
        propertyName: property as string,
        validator: {
          validate: (value: unknown) => typeof value === 'object' && value !== null,
          defaultMessage: () =>
            '$property must be a position like 17 or an RFC 3339 timestamp like 2026-01-31T12:00:00Z',
        },
      }),
  );
}

const AS_OF_FORMS = {
  type: String,
  pattern: '^(\\d{1,15}|\\d{4}-\\d{2}-\\d{2}T\\S+)$',
} as const;

export class JobAsOfDto extends MinPositionDto {
  @ApiPropertyOptional({
    ...AS_OF_FORMS,
    description:
      'The job as it was: at an RFC 3339 time, or at a position of the log (`position` of an event). 404 `not-created-yet` ' +
      'before its first event, 404 `not-found` after its deletion, 422 `out-of-range` for a time to come or a position ' +
      'that the log is not settled up to',
  })
  @Optional()
  @QueryAsOf()
  as_of?: AsOf;
}

export class SumsDto extends MinPositionDto {
  @ApiPropertyOptional({
    ...AS_OF_FORMS,
    description:
      'The sums as they were: at a position of the log, or at the last tick at or before an RFC 3339 time. The answer then ' +
      'has `as_of_position`, and in `as_of_time` the time of the tick. 422 `out-of-range` for a time to come or a ' +
      'position that the log is not settled up to',
  })
  @Optional()
  @QueryAsOf()
  as_of?: AsOf;
}

export class CostsDto extends SumsDto {
  @ApiPropertyOptional({ enum: COST_GROUPS, default: 'day' })
  @Optional()
  @IsIn(COST_GROUPS)
  group_by?: (typeof COST_GROUPS)[number];
}
