import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsObject, Max, Min } from 'class-validator';
import { escapePointer } from './json-scan';
import { Problem } from './problems';
import type { ProblemCode, ProblemItem } from './problems';

const MAPS = Symbol('query maps');

/** A query parameter that is a decimal integer, digits only: `10`, neither `1e1`, `0x0A`, `+10` nor `10.0`. */
export function QueryInt(range: { readonly min: number; readonly max: number }): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value,
    ),
    IsInt(),
    Min(range.min),
    Max(range.max),
  );
}

/** A query parameter that is `true` or `false`. */
export function QueryBoolean(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      value === 'true' ? true : value === 'false' ? false : value,
    ),
    IsBoolean(),
  );
}

/** A query parameter with names of its own, `trait[Layer]=Value`, read as `trait: { Layer: 'Value' }`. */
export function QueryMap(): PropertyDecorator {
  return (target, property) => {
    const maps =
      (Reflect.getMetadata(MAPS, target.constructor) as ReadonlySet<unknown> | undefined) ?? new Set();
    Reflect.defineMetadata(MAPS, new Set([...maps, property]), target.constructor);
    IsObject()(target, property);
  };
}

/**
 * The query as a plain object for validation: the parameters of {@link QueryMap} properties gathered, everything
 * else as it stands.
 *
 * @throws Problem `duplicate-parameter` where a parameter comes twice, `forbidden-key` for a prototype's name.
 */
export function readQuery(
  query: Readonly<Record<string, unknown>>,
  dto: object | undefined,
): Record<string, unknown> {
  const maps =
    (dto && (Reflect.getMetadata(MAPS, dto) as ReadonlySet<string> | undefined)) ?? new Set<string>();
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) throw refusedParameter('duplicate-parameter', name);
    if (name.includes('__proto__')) throw refusedParameter('unknown-parameter', name);
    const inMap = /^([\w-]+)\[([^[\]]+)\]$/.exec(name);
    const [, property, key] = inMap ?? [];
    if (property === undefined || key === undefined || !maps.has(property)) {
      // A bare `trait=x` must not pass for the map itself.
      if (maps.has(name)) throw refusedParameter('unknown-parameter', name);
      read[name] = value;
      continue;
    }
    const map = (read[property] ??= {}) as Record<string, unknown>;
    if (Object.hasOwn(map, key)) throw refusedParameter('duplicate-parameter', name);
    map[key] = value;
  }
  return read;
}

/** A problem about one parameter of the query. */
export function refusedParameter(code: ProblemCode, name: string): Problem {
  const errors: ProblemItem[] = [
    { pointer: `#/${escapePointer(name)}`, code, detail: new Problem(code).message },
  ];
  return new Problem(code, undefined, { errors });
}
