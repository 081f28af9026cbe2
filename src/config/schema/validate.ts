/** Validates with the functions that ajv makes of the JSON Schemas (`build/validators.ts`). */
import type { ValidateFunction } from 'ajv';
import { loadModule } from '../../host/index.js';
import { validatorFile } from '../../util/root.js';
import { type Schema, valueAt, wholeSchema } from './schema.js';

/** What a value violates. */
export interface Violation {
  /** The keyword of the schema: `type`, `required`, `oneOf`. */
  readonly keyword: string;
  /** JSON pointer to the value: `/gates/0/min`. */
  readonly instancePath: string;
  /** JSON pointer to the keyword in `wholeSchema`: `#/properties/gates/items/type`. */
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Ends a sentence that begins with the name of the value: `must be >= 1`. */
  readonly message: string;
  /** The schema with the keyword. */
  readonly parentSchema: Schema | boolean;
  readonly data: unknown;
}

/** All violations of `schemas/NAME.schema.json` by `value`; empty if it is valid. */
export function validateAgainst(name: string, value: unknown): readonly Violation[] {
  const validate = loadModule(validatorFile(name)) as ValidateFunction;
  if (validate(value)) return [];
  const schema = wholeSchema(name);
  return (validate.errors ?? []).map(({ message = '', ...error }) => ({
    ...error,
    message,
    parentSchema: valueAt(schema, stepsOf(decodeURIComponent(error.schemaPath)).slice(0, -1)) as Schema,
    data: valueAt(value, stepsOf(error.instancePath)),
  }));
}

/** The steps of a JSON pointer. */
export function stepsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
