/**
 * Compiles schemas with ajv, the only importer of it. Compiling takes ten times as long as all else
 * that a short command does, so that the build does it (`build-validators.ts`); ajv is loaded only
 * where a schema has changed since.
 */
import { createRequire } from 'node:module';
import type { Ajv, ValidateFunction } from 'ajv';

const load = createRequire(import.meta.url);

/** Our annotations: they guide people and the type generator, not validation. */
const ANNOTATIONS = [
  'x-path',
  'x-form',
  'x-default',
  'x-run-default',
  'x-aliases',
  'x-unhashed-default',
  'x-excludes',
];

export function compileValidator(schema: object): ValidateFunction {
  return ajv().compile(schema);
}

/** The same validator as the text of a CommonJS module, its only export. */
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
    // compiling is faster without, and validators run once for most values
    code: { optimize: false, ...code },
  });
  library.addVocabulary(ANNOTATIONS);
  // ISO time stamps in events; a check of the form needs no further package
  library.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  return library;
}
