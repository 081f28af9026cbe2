/**
 * Compiles schemas with ajv for the build (`build-validators.ts`), which takes too long at a start.
 */
import { createRequire } from 'node:module';
import type { Ajv, Options, ValidateFunction } from 'ajv';

const require = createRequire(import.meta.url);

/** Annotations for readers of the schema and for other code. Validation ignores them. */
export const ANNOTATIONS = ['x-path', 'x-form', 'x-default', 'x-run-default', 'x-aliases', 'x-excludes'];

export function compileValidator(schema: object): ValidateFunction {
  return ajv(require('ajv') as AjvModule).compile(schema);
}

export function validatorSource(schema: object): string {
  const library = ajv(require('ajv') as AjvModule, { code: { source: true } });
  return sourceOf(library, library.compile(schema));
}

/**
 * Like `validatorSource`, for a validator that returns true or false without errors. References
 * stay calls, so that the code is a quarter as long and V8 compiles only the parts that a value
 * reaches.
 *
 * @param schema as in its file, with references
 */
export function quickValidatorSource(schema: object): string {
  // the draft that has `unevaluatedProperties`
  const library = ajv(require('ajv/dist/2019') as AjvModule, {
    code: { source: true },
    allErrors: false,
    verbose: false,
    messages: false,
    // parts of an `allOf` rely on each other for types and properties of required keys
    strictTypes: false,
    strictRequired: false,
  });
  return sourceOf(library, library.compile(schema));
}

function sourceOf(library: Ajv, validate: ValidateFunction): string {
  const standalone = require('ajv/dist/standalone') as {
    default(library: Ajv, validate: ValidateFunction): string;
  };
  return standalone.default(library, validate);
}

interface AjvModule {
  readonly default: new (options: Options) => Ajv;
}

function ajv({ default: Library }: AjvModule, { code, ...options }: Options = {}): Ajv {
  const library = new Library({
    strict: true,
    strictRequired: false,
    allErrors: true,
    discriminator: true,
    verbose: true,
    allowUnionTypes: true,
    // a test checks the schemas themselves
    validateSchema: false,
    ...options,
    // compiles faster, and most validators run only once
    code: { optimize: false, ...code },
  });
  library.addVocabulary(ANNOTATIONS);
  // ISO timestamps in events, checked without another package
  library.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  return library;
}
