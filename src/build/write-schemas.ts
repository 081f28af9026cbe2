/**
 * Development tool: writes the schemas that are defined in TypeScript to `schemas/`. With
 * `--check`, only compares them and exits with 1 if one is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { experiment } from '../config/schema/experiment.js';
import { comparison } from '../judge/comparison/document.js';
import { review } from '../judge/judging/document.js';
import { outOfFold } from '../predict/out-of-fold.js';
import { baseline } from '../run/baseline.js';
import { checkpointIndex } from '../run/checkpoints.js';
import { confidence } from '../run/confidence.js';
import { evaluation } from '../run/evaluation.js';
import { logEvent } from '../run/events.js';
import { explanation } from '../run/explanation.js';
import { manifest } from '../run/manifest.js';
import { notes } from '../run/notes.js';
import { summary } from '../run/summary.js';
import { requests } from '../serve/requests.js';
import { sweepFile } from '../sweep/config/definition.js';
import { journalLine } from '../sweep/journal.js';
import { queueJobShape } from '../sweep/launchers/queue.js';
import { sweepSummary } from '../sweep/results.js';
import { packageRoot } from '../util/root.js';
import { type Shape, schemaText } from '../util/schema.js';

function written(name: string, shape: Shape): string {
  const $schema = 'http://json-schema.org/draft-07/schema#';
  return schemaText({ $schema, $id: `https://unpkg.com/cellrun/schemas/${name}.schema.json` }, shape);
}

const TEXTS = {
  baseline: written('baseline', baseline),
  checkpoints: written('checkpoints', checkpointIndex),
  comparison: written('comparison', comparison),
  confidence: written('confidence', confidence),
  evaluation: written('evaluation', evaluation),
  experiment: written('experiment', experiment),
  journal: written('journal', journalLine),
  explanation: written('explanation', explanation),
  'log-event': written('log-event', logEvent),
  manifest: written('manifest', manifest),
  notes: written('notes', notes),
  'out-of-fold': written('out-of-fold', outOfFold),
  'queue-job': written('queue-job', queueJobShape),
  request: written('request', requests),
  review: written('review', review),
  summary: written('summary', summary),
  sweep: written('sweep', sweepFile),
  'sweep-summary': written('sweep-summary', sweepSummary),
};

for (const [name, text] of Object.entries(TEXTS)) {
  const file = join(packageRoot, 'schemas', `${name}.schema.json`);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date; run \`npm run generate\`\n`);
    process.exitCode = 1;
  }
}
