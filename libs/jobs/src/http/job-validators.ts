import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { IsUUID, Matches, registerDecorator, ValidateIf } from 'class-validator';

/** May be left out; null is a value like any other (class-validator's IsOptional would let it pass unseen). */
export const Optional = (): PropertyDecorator => ValidateIf((_object, value) => value !== undefined);

/** May be left out or null. */
export const Nullable = (): PropertyDecorator =>
  ValidateIf((_object, value) => value !== undefined && value !== null);

/** A canonical lower-case UUID: PostgreSQL takes other spellings, and one row would get several names. */
export const IsId = (): PropertyDecorator =>
  applyDecorators(
    IsUUID('all'),
    Matches(/^[0-9a-f-]{36}$/, { message: '$property must be a lower-case UUID' }),
  );

/** At most 16 keys of 1-64 characters, values strings of at most 512. */
export function IsMetadata(): PropertyDecorator {
  return (target, property) => {
    // As it was sent: class-transformer would leave out a key like "toString".
    Transform(({ obj, key }: { obj: Record<string, unknown>; key: string }) => obj[key])(target, property);
    registerDecorator({
      name: 'isMetadata',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: isMetadata,
        defaultMessage: () =>
          '$property must be an object of at most 16 strings, keys of 1-64 and values of at most 512 characters',
      },
    });
  };
}

function isMetadata(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= 16 &&
    entries.every(
      ([key, text]) => key.length >= 1 && key.length <= 64 && typeof text === 'string' && text.length <= 512,
    )
  );
}

/** Not only white space. */
export const IsNotBlank = (): PropertyDecorator => Matches(/\S/, { message: '$property must not be blank' });
