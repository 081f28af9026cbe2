/**
 * Development tool: writes the schemas that are defined in TypeScript to `schemas/`. With
 * `--check`, only compares them and exits with 1 if one is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { comparison } from '../judge/comparison/document.js';
import { review } from '../judge/judging/document.js';
import { RUN_SCHEMAS } from '../run/schemas.js';
import { requests } from '../serve/requests.js';
import { sweepFile } from '../sweep/config/definition.js';
import { journalLine } from '../sweep/journal.js';
import { queueJobShape } from '../sweep/launchers/queue.js';
import { outOfFold, sweepSummary } from '../sweep/results.js';
import { sweepPlan } from '../sweep/schedule/plan.js';
import { packageRoot } from '../util/root.js';
import { type Shape, schemaText } from '../util/schema.js';

const SCHEMAS: Readonly<Record<string, Shape>> = {
  ...RUN_SCHEMAS,
  comparison,
  journal: journalLine,
  'out-of-fold': outOfFold,
  'queue-job': queueJobShape,
  request: requests,
  review,
  sweep: sweepFile,
  'sweep-plan': sweepPlan,
  'sweep-summary': sweepSummary,
};

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  readonly version: string;
};

for (const [name, shape] of Object.entries(SCHEMAS)) {
  const file = join(packageRoot, 'schemas', `${name}.schema.json`);
  const text = schemaText(name, shape, version);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date; run \`npm run generate\`\n`);
    process.exitCode = 1;
  }
}
