import { Param } from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';
import { isUuid } from '../ids';
import { Problem } from './problems';

/** A canonical UUID out of the path. Anything else names nothing: 404, as for a UUID that is not there. */
export class IdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isUuid(value)) throw new Problem('not-found');
    return value;
  }
}

/** Parameter decorator: `:id` (or another name) of the path, as {@link IdPipe} reads it. */
export const IdParam = (name = 'id'): ParameterDecorator => Param(name, new IdPipe());
