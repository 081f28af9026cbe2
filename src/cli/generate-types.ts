/**
 * Development tool: writes `src/config/generated.ts` from the schema. With `--check`, only compares
 * it and exits with 1 if it is out of date.
 */
import { typesAreCurrent, writeTypes } from '../config/schema/generate.js';

if (process.argv.includes('--check')) {
  if (!(await typesAreCurrent())) {
    process.stderr.write(
      'src/config/generated.ts is out of date; run `node dist/src/cli/generate-types.js`\n',
    );
    process.exitCode = 1;
  }
} else {
  await writeTypes();
}
