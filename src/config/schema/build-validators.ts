/**
 * A step of the build. Compiles every schema to a module in `config/validators/` of the compiled
 * program, bundled with the parts of ajv that it needs at run time.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packageRoot } from '../../util/root.js';
import { quickValidatorSource, validatorSource } from './compiler.js';
import { readSchema, schemaToValidate, validatorFile } from './schema.js';

const ENDING = '.schema.json';
const names = readdirSync(join(packageRoot, 'schemas')).flatMap(file =>
  file.endsWith(ENDING) ? [file.slice(0, -ENDING.length)] : [],
);

await Promise.all(
  names.flatMap(name => [
    write(name, 'complete', validatorSource(schemaToValidate(name))),
    write(name, 'quick', quickValidatorSource(readSchema(name))),
  ]),
);

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
