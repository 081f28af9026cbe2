/** Describes runs in words: environment, metrics and cost. */
import { counted } from '../../util/words.js';
import type { RunFacts } from '../judging/run-facts.js';
import { short } from './verdict-lines.js';

/**
 * `webasm, fused, 2 threads; linux x64, Intel…; cellrun 0.1.0, node 20.20.2; git 3f2a1bc, with
 * changes`; empty if nothing is known.
 */
export function placeWords({ backend, machine, versions, git }: RunFacts): string {
  const parts = [
    backend && [
      backend.name,
      backend.arithmetic,
      backend.threads && counted(backend.threads, 'thread'),
      backend.adapter,
    ],
    machine && [`${machine.platform} ${machine.arch}`, machine.cpu],
    versions && [`cellrun ${versions.cellrun}`, `node ${versions.node}`],
    git && [`git ${git.revision.slice(0, 7)}`, git.dirty && 'with changes'],
  ];
  return parts
    .filter(part => part !== null)
    .map(part => part.filter(word => typeof word === 'string' && word !== '').join(', '))
    .join('; ');
}

/** Final values by metric, such as `test.accuracy`, including NaN and infinities. */
export function metricsOfRun({ metrics }: RunFacts): [metric: string, value: string][] {
  const splits = Object.entries(metrics ?? {}).toReversed();
  return splits.flatMap(([split, values]) =>
    Object.entries(values ?? {}).map(([name, value]): [string, string] => [`${split}.${name}`, short(value)]),
  );
}

/** Steps, time and memory: `1200 steps in 67 s`, `49.9 ms per step`, … */
export function costWords({ steps, duration_s, performance }: RunFacts): string[] {
  const { ms_per_step, step_ratio, peak_rss_mb } = performance;
  return [
    ...(steps === null
      ? []
      : [`${counted(steps, 'step')}${duration_s === null ? '' : ` in ${short(duration_s, 3)} s`}`]),
    ...(ms_per_step === null ? [] : [`${short(ms_per_step, 3)} ms per step`]),
    ...(step_ratio === null ? [] : [`step ratio ${short(step_ratio, 3)}`]),
    ...(peak_rss_mb === null ? [] : [`peak ${Math.round(peak_rss_mb)} MB`]),
  ];
}
