import { Injectable, ValidationPipe } from '@nestjs/common';
import type { ArgumentMetadata } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { ValidationError } from 'class-validator';
import { escapePointer } from './json-scan';
import { Problem } from './problems';
import type { ProblemItem } from './problems';
import { readQuery } from './query-parameters';

const MAX_ERRORS = 100;
type UnknownCode = 'unknown-parameter' | 'unknown-property';

/**
 * Validates bodies and queries against their DTOs. Nothing is converted, stripped or defaulted in silence: what is
 * unknown or wrong is a 422 with a pointer to each fault.
 */
@Injectable()
export class RequestValidationPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      transformOptions: { enableImplicitConversion: false },
      exceptionFactory: (errors) => new InvalidRequest(errors),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const isQuery = metadata.type === 'query' && metadata.data === undefined;
    const input = isQuery && isRecord(value) ? readQuery(value, metadata.metatype) : value;
    if (metadata.type === 'body') refuseInherited(input);
    try {
      return await super.transform(input, metadata);
    } catch (error) {
      throw error instanceof InvalidRequest ? problemOf(error.errors, isQuery) : error;
    }
  }
}

/** Validates a part of a body that stands alone (an item of a batch). @throws Problem as for a whole body. */
export function validateBody<T extends object>(type: new () => T, body: object): T {
  refuseInherited(body);
  const instance = plainToInstance(type, body, { enableImplicitConversion: false });
  const errors = validateSync(instance, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  });
  if (errors.length > 0) throw problemOf(errors, false);
  return instance;
}

/** class-transformer leaves out what every object inherits (`toString`), so nothing behind it would see it as unknown. */
function refuseInherited(body: unknown): void {
  if (!isRecord(body)) return;
  const code = 'unknown-property';
  const errors = Object.keys(body)
    .filter((key) => Object.hasOwn(Object.prototype, key))
    .map((key): ProblemItem => ({ pointer: `#/${key}`, code, detail: new Problem(code).message }));
  if (errors.length > 0) throw new Problem(code, undefined, { errors });
}

class InvalidRequest extends Error {
  constructor(readonly errors: readonly ValidationError[]) {
    super('The request is not valid');
  }
}

function problemOf(validationErrors: readonly ValidationError[], isQuery: boolean): Problem {
  const unknown = isQuery ? 'unknown-parameter' : 'unknown-property';
  const errors: ProblemItem[] = [];
  collect(validationErrors, '#', unknown, errors);
  const isAllUnknown = errors.length > 0 && errors.every((error) => error.code === unknown);
  return new Problem(isAllUnknown ? unknown : 'validation-failed', undefined, { errors });
}

function collect(
  from: readonly ValidationError[],
  parent: string,
  unknown: UnknownCode,
  into: ProblemItem[],
): void {
  for (const error of from) {
    if (into.length >= MAX_ERRORS) return;
    // Nest names the whole body so where it is an array or a scalar.
    const isWhole =
      parent === '#' && error.constraints?.['isObject'] !== undefined && error.property === 'body';
    const pointer = isWhole ? '#' : `${parent}/${escapePointer(error.property)}`;
    const fault = worst(error, unknown, isWhole);
    if (fault !== undefined) into.push({ pointer, ...fault });
    if (error.children) collect(error.children, pointer, unknown, into);
  }
}

/** Codes by class-validator's names of constraints, the one that says most first. All others are `format`. */
const CODES: readonly (readonly [code: string, constraints: readonly string[]])[] = [
  ['required', ['isDefined', 'isNotEmpty', 'isNotEmptyObject', 'arrayNotEmpty']],
  [
    'type',
    [
      'isString',
      'isInt',
      'isNumber',
      'isBoolean',
      'isObject',
      'isArray',
      'isDate',
      'nestedValidation',
      'unknownValue',
    ],
  ],
  ['not-allowed', ['isEnum', 'isIn', 'isNotIn', 'equals', 'notEquals']],
  ['too-many-items', ['arrayMaxSize']],
  ['too-few-items', ['arrayMinSize']],
  ['duplicate-item', ['arrayUnique']],
  ['length', ['minLength', 'maxLength', 'isLength', 'isByteLength']],
  ['out-of-range', ['min', 'max', 'isPositive', 'isNegative', 'isDivisibleBy', 'minDate', 'maxDate']],
];

/** One fault a property: of several constraints, the one that explains the others. */
function worst(
  error: ValidationError,
  unknown: UnknownCode,
  isWhole: boolean,
): { code: string; detail: string } | undefined {
  const constraints = error.constraints;
  const names = Object.keys(constraints ?? {});
  if (constraints === undefined || names.length === 0) return undefined;
  if (names.includes('whitelistValidation')) return { code: unknown, detail: new Problem(unknown).message };
  if (error.value === undefined && !isWhole) {
    return { code: 'required', detail: `${error.property} is required` };
  }
  for (const [code, members] of CODES) {
    const name = members.find((member) => constraints[member] !== undefined);
    if (name === undefined) continue;
    const isOtherNumber = name === 'isInt' && typeof error.value === 'number';
    return { code: isOtherNumber ? 'out-of-range' : code, detail: constraints[name] ?? code };
  }
  const [first] = names;
  return { code: 'format', detail: (first !== undefined && constraints[first]) || 'format' };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
