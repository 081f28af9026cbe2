/** Development tool: writes `src/config/generated.ts` from the schema; with `--check` only compares (exit 1). */
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
