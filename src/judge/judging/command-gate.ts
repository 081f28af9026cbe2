/** Gates of the command line: `test.accuracy >= 0.97 over best`. */

import type { GateMetricName } from '../../config/experiment.js';
import { schemaAt } from '../../config/schema/walk.js';
import { positionOf, SourceText } from '../../config/yaml/source.js';
import { isPerformance } from '../../math/metrics/index.js';
import type { WrittenGate } from '../../run/gates.js';
import { type Diagnostic, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';

const GATE_OPTION = '--gate';
const OVER = ['last', 'best', 'seeds'] as const;
/** METRIC, comparison, NUMBER as in YAML and JSON (`0x10` is a mistake), and what it is over. */
const FORM = /^\s*([\w.]*)\s*(>=|<=)?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)?(?:\s+over\s+(\w+))?\s*$/i;

/** Throws all mistakes. */
export function commandGates(texts: readonly string[]): WrittenGate[] {
  const parsed = texts.map(commandGate);
  const problems = parsed.filter((one): one is Diagnostic => 'code' in one);
  if (problems.length > 0) throw usageError(...problems);
  return parsed.filter((one): one is WrittenGate => 'metric' in one);
}

function commandGate(text: string): WrittenGate | Diagnostic {
  const [, metric = text.trim().split(/\s/)[0], comparison, number, which = 'last'] = FORM.exec(text) ?? [];
  const known = (schemaAt(['gates', 0, 'metric'], {})?.enum ?? []) as readonly GateMetricName[];
  const wrong = (message: string, expected: string, meant?: string): Diagnostic => ({
    code: 'cli/gate',
    message,
    ...positionOf(new SourceText(GATE_OPTION, text, '').place(0, Math.max(1, text.length))),
    expected,
    ...(meant !== undefined && { suggestion: meant }),
  });
  if (!known.some(one => one === metric)) {
    // `ms_per_step` means `performance.ms_per_step`; a name that several splits have is ambiguous
    const [alike, ...others] = known.filter(one => one.endsWith(`.${metric}`));
    const meant = alike !== undefined && others.length === 0 ? alike : nearest(metric, known);
    return wrong(`there is no metric ${metric}`, known.join(' | '), meant);
  }
  const over = OVER.find(one => one === which);
  if (comparison === undefined || number === undefined || over === undefined)
    return wrong(
      'this is not a gate',
      `${metric} >= NUMBER, or ${metric} <= NUMBER, then nothing, \`over last\`, \`over best\` or \`over seeds\``,
    );
  if (over === 'best' && isPerformance(metric))
    return wrong(`${metric} is measured once, so it has no best value`, 'over last, or over seeds');
  return { metric, over, [comparison === '>=' ? 'min' : 'max']: Number(number), origin: GATE_OPTION };
}
