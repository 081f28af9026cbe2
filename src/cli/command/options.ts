/** Options shared by several verbs. */
import { BACKEND_REQUESTS, type BackendRequest } from '../../engine/backend-names.js';
import type { Width } from '../../engine/simd-target.js';
import type { WhichCheckpoint } from '../../predict/predictor.js';
import type { WeightsName } from '../../train/weights.js';
import { choice, count, flag, folder, integer, list, parsed, text, type VerbOption } from './verb.js';

export const WEIGHTS = ['trained', 'average'] as const satisfies readonly WeightsName[];

export const set = list('<key.path=value>', 'override a value of the config; --set is optional');

export const backend = choice('<name>', BACKEND_REQUESTS, 'compute backend').default('auto');

export function sameBackend(subject: string): VerbOption<BackendRequest | undefined> {
  return choice('<name>', BACKEND_REQUESTS, `compute backend (default: the one ${subject} started with)`);
}

export const threads = integer('<n>', 'compute threads (default: chosen automatically)', {
  min: 1,
  max: 1024,
});

export const width = parsed<Width>(
  '<bits>',
  'vector width of the kernels: 128 or 256 (default: the faster one; results are equal)',
  '128 or 256',
  bits => (bits === '128' || bits === '256' ? (Number(bits) as Width) : undefined),
);

export const checkpoint = parsed<WhichCheckpoint>(
  '<which>',
  "'last', 'best' or a step number (default: the one of the final metrics)",
  "'last', 'best' or a step number",
  which => {
    if (which === 'last' || which === 'best') return which;
    return /^\d{1,15}$/.test(which) ? Number(which) : undefined;
  },
);

export const weights = choice(
  '<which>',
  WEIGHTS,
  'trained weights or their moving average (default: the average if the run keeps one)',
);

/** For a finished run, only the location of its data can change. */
export const movedData = list('<dataset.path=file>', "where the run's data is now; --set is optional");

export const split = choice('<name>', ['test', 'validation', 'train'], 'dataset split').default('test');

export const pauseAfterEpoch = count('<n>', 'stop after this epoch; the run can be resumed');

export function json(what: string): VerbOption<boolean> {
  return flag(`print ${what} as JSON`);
}

export const jsonFormat = flag('short for --format json').conflicts('format');

export const quiet = flag('no progress on stderr').short('-q');

export const experiments = folder('<dir>', 'output directory').default('experiments');

export const notes = {
  tag: list('<tag>', 'add a tag'),
  note: text('<text>', 'add a note'),
};

export const dashboards = {
  dashboard: flag('start a live dashboard and print its address on stderr'),
  keepDashboard: flag('like --dashboard, but keep it running until Ctrl-C'),
};

export const seed = integer('<n>', 'random seed', { min: 0, max: Number.MAX_SAFE_INTEGER });
