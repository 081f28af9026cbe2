/** Features of random signals against those that torchaudio computes now. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { differenceIn, type FeatureCase } from '../support/audio-features.js';
import type { Figures } from './figures.js';

const PYTHON = '/usr/bin/python3';
const MAX_OUTPUT = 2 ** 30;

/** Needs Debian's python3-torchaudio. */
export function compareSignals(cases: number, seed: number): Figures {
  const script = join(packageRoot, 'test/fixtures/audio/features.py');
  const args = [script, '--signals', `${cases}`, '--seed', `${seed}`];
  const { stdout, stderr, error } = spawnSync(PYTHON, args, { encoding: 'utf8', maxBuffer: MAX_OUTPUT });
  const what = 'features of random signals as by torchaudio';
  if (error || stdout === '') return { what, cases: 0, failures: [error?.message ?? stderr.slice(-500)] };
  const { features }: { readonly features: readonly FeatureCase[] } = JSON.parse(stdout);
  return { what, cases: features.length, failures: features.flatMap(one => differenceIn(one) ?? []) };
}
