/**
 * A step of the build: compiles every schema with ajv, which takes too long at a start, to a module
 * in `config/validators/` of the compiled program, bundled with the parts of ajv that it needs.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type Options } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { packageRoot } from '../../util/root.js';
import { readSchema, validatorFile, wholeSchema } from './schema.js';

/** Annotations for readers of the schema and for other code. Validation ignores them. */
const ANNOTATIONS = ['x-path', 'x-form', 'x-default', 'x-run-default', 'x-aliases', 'x-excludes'];

const OPTIONS: Options = {
  strict: true,
  strictRequired: false,
  allErrors: true,
  discriminator: true,
  verbose: true,
  allowUnionTypes: true,
  // a test checks the schemas themselves
  validateSchema: false,
  // compiles faster, and most validators run only once
  code: { source: true, optimize: false },
};

const ENDING = '.schema.json';
const names = readdirSync(join(packageRoot, 'schemas')).flatMap(file =>
  file.endsWith(ENDING) ? [file.slice(0, -ENDING.length)] : [],
);

/** For validators that return true or false without errors. */
const QUICK: Options = { ...OPTIONS, allErrors: false, verbose: false, messages: false, inlineRefs: false };

await Promise.all(
  names.flatMap(name => [
    write(name, 'complete', sourceOf(OPTIONS, wholeSchema(name))),
    // references stay calls, so that the code is a quarter as long and V8 compiles only the parts
    // that a value reaches
    write(name, 'quick', sourceOf(QUICK, readSchema(name))),
  ]),
);

function sourceOf(options: Options, schema: object): string {
  const library = new Ajv(options);
  library.addVocabulary(ANNOTATIONS);
  // ISO timestamps in events, checked without another package
  library.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  return standalone.default(library, library.compile(schema));
}

function write(name: string, form: 'complete' | 'quick', source: string): Promise<unknown> {
  return build({
    stdin: { contents: source, resolveDir: packageRoot },
    outfile: validatorFile(name, form),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    charset: 'utf8',
    logLevel: 'warning',
  });
}
