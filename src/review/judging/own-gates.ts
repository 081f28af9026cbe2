/**
 * The gates that a run's config asks for, and whether the run's files agree on what became of them.
 */
import { basename } from 'node:path';
import { lineOf } from '../../config/merge/plain.js';
import { isRecord } from '../../config/schema/walk.js';
import { type Gate, inconclusive, judgeGate, type WrittenGate } from '../../experiment/judging/gates.js';
import type { GateResult } from '../../experiment/summary.js';
import type { ReviewedRun } from '../reading/run-facts.js';
import type { RunRecord } from '../reading/run-record.js';

const BOUNDS = ['min', 'max', 'max_drop', 'max_regress', 'by'] as const;

/**
 * In the config's order. A run of another version may ask for something else: what is no gate here
 * is left out.
 */
export function askedGates({ config, manifest, directory }: RunRecord): WrittenGate[] {
  const file = directory.files.resolvedConfig;
  const asked = Array.isArray(config.gates) ? config.gates : [];
  return asked.flatMap((gate: unknown, i) => {
    const line = () => lineOf(file, ['gates', i]) ?? 1;
    const origin = manifest?.gate_origins?.[i] ?? `${basename(file)}:${line()}:1`;
    return isRecord(gate) && typeof gate.metric === 'string'
      ? [{ ...gateOf(gate, gate.metric), origin }]
      : [];
  });
}

function gateOf(gate: Readonly<Record<string, unknown>>, metric: string): Gate {
  const { over, baseline, beats } = gate;
  const numbers = BOUNDS.filter(key => typeof gate[key] === 'number').map(key => [key, gate[key]]);
  return {
    metric,
    over: over === 'best' || over === 'seeds' ? over : 'last',
    ...(typeof baseline === 'string' && { baseline }),
    ...(beats === 'trivial' && { beats }),
    ...Object.fromEntries(numbers),
  };
}

/** What was asked for, and what the run recorded of it. */
export interface OwnGate {
  readonly asked: WrittenGate;
  /** Absent where the run has no verdict on it. */
  readonly recorded: GateResult | undefined;
}

/** The gates of the config, then those of the summary that the config does not have. */
export function ownGates({ asked, summary }: Pick<ReviewedRun, 'asked' | 'summary'>): OwnGate[] {
  const left = [...(summary?.gates ?? [])];
  const found = asked.map(gate => {
    const at = left.findIndex(one => sameGate(one) === sameGate(gate));
    return { asked: gate, recorded: at < 0 ? undefined : left.splice(at, 1)[0] };
  });
  return [...found, ...left.map(gate => ({ asked: gate, recorded: gate }))];
}

/** What two gates that ask for the same have in common. */
export function sameGate(gate: Gate): string {
  const { metric, over, min, max, baseline, max_drop, max_regress, beats, by } = gate;
  return JSON.stringify([metric, over, min, max, baseline, max_drop, max_regress, beats, by]);
}

/**
 * A gate of a run that completed, judged again by what it recorded: no baseline need be at hand,
 * and none that has moved matters. Inconclusive where the run recorded nothing, or another value
 * than its metric has.
 */
export function judgeOwn({ asked, recorded }: OwnGate, run: ReviewedRun): GateResult {
  if (recorded === undefined) return inconclusive(asked, null, 'the run recorded no verdict for it');
  const gate = { ...recorded, origin: asked.origin };
  if (gate.verdict === 'inconclusive') return gate;
  const measured = gate.over === 'best' ? run.best(gate.metric) : run.last(gate.metric);
  if (gate.value === measured) return judgeGate(gate, gate.value);
  const source = gate.over === 'best' ? 'the log' : 'summary.json';
  const other = measured === undefined ? 'none' : String(measured);
  return inconclusive(gate, gate.value, `${source} has this value for the gate, but ${other} for the metric`);
}
