/** The gates of a run's config, with the verdicts that the run recorded. */
import { basename } from 'node:path';
import { lineOf } from '../../config/plain.js';
import { isRecord } from '../../config/schema/walk.js';
import { type Gate, inconclusive, judgeGate, type WrittenGate } from '../../run/gates.js';
import type { RunRecord } from '../../run/run.js';
import type { GateResult } from '../../run/summary.js';
import type { ReviewedRun } from './run-facts.js';

const BOUNDS = ['min', 'max', 'max_drop', 'max_regress', 'by'] as const;

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

export interface OwnGate {
  readonly asked: WrittenGate;
  readonly recorded: GateResult | undefined;
}

/** The gates of the config, then those of the summary that are not in the config. */
export function ownGates({ asked, summary }: Pick<ReviewedRun, 'asked' | 'summary'>): OwnGate[] {
  const left = [...(summary?.gates ?? [])];
  const found = asked.map(gate => {
    const at = left.findIndex(one => sameGate(one) === sameGate(gate));
    return { asked: gate, recorded: at < 0 ? undefined : left.splice(at, 1)[0] };
  });
  return [...found, ...left.map(gate => ({ asked: gate, recorded: gate }))];
}

export function sameGate(gate: Gate): string {
  const { metric, over, min, max, baseline, max_drop, max_regress, beats, by } = gate;
  return JSON.stringify([metric, over, min, max, baseline, max_drop, max_regress, beats, by]);
}

/**
 * Judges a gate of a completed run again, from the values that the run recorded, so that the
 * baseline's file is not needed and its changes do not matter. Inconclusive if the run recorded
 * nothing, or a value that differs from the metric.
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
