/**
 * Compiles schemas with ajv; only this file imports it. Compiling takes ten times as long as the
 * rest of a short command, so the build does it (`build-validators.ts`), and ajv is loaded only if
 * a schema has changed since.
 */
import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';

const load = createRequire(import.meta.url);

/** Our annotations, for people and the type generator; validation ignores them. */
const ANNOTATIONS = ['x-path', 'x-form', 'x-default', 'x-run-default', 'x-aliases', 'x-unhashed-default'];

export function compileValidator(schema: object): ValidateFunction {
  return ajv().compile(schema);
}

/** The validator as the source of a CommonJS module, its only export. */
export function validatorSource(schema: object): string {
  const standalone = load('ajv/dist/standalone') as {
    default(library: Ajv, validate: ValidateFunction): string;
  };
  const library = ajv({ source: true });
  return standalone.default(library, library.compile(schema));
}

function ajv(code: { readonly source?: boolean } = {}): Ajv {
  const { Ajv } = load('ajv') as { Ajv: new (options: object) => Ajv };
  const library = new Ajv({
    strict: true,
    strictRequired: false,
    allErrors: true,
    discriminator: true,
    verbose: true,
    allowUnionTypes: true,
    // a test checks the schemas themselves
    validateSchema: false,
    // compiles faster, and most validators run only once
    code: { optimize: false, ...code },
  });
  library.addVocabulary(ANNOTATIONS);
  // ISO timestamps in events; checking the format needs no further package
  library.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  return library;
}
