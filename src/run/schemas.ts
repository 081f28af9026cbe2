/** Definitions of a config and of the files of a run, by the names of their JSON Schemas. */
import { experiment } from '../config/schema/experiment.js';
import { confidence } from '../tasks/core/confidence.js';
import { evaluation } from '../tasks/facts.js';
import { baseline } from './baseline.js';
import { checkpointIndex } from './checkpoints.js';
import { logEvent } from './events.js';
import { explanation } from './explanation.js';
import { manifest } from './manifest.js';
import { notes } from './notes.js';
import { summary } from './summary.js';

export const RUN_SCHEMAS = {
  baseline,
  checkpoints: checkpointIndex,
  confidence,
  evaluation,
  experiment,
  explanation,
  'log-event': logEvent,
  manifest,
  notes,
  summary,
};
