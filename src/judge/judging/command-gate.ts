/** Gates of the command line: `test.accuracy >= 0.97 over best`. */

import type { GateMetricName } from '../../config/experiment.js';
import { schemaAt } from '../../config/schema/walk.js';
import { positionOf, SourceText } from '../../config/yaml/source.js';
import { isPerformance } from '../../math/metrics/index.js';
import type { WrittenGate } from '../../run/gates.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';

export const GATE_OPTION = '--gate';

const OVER = ['last', 'best', 'seeds'] as const;
/** METRIC, comparison, NUMBER, and the text after it; each may be missing. */
const FORM = /^(\s*)([A-Za-z_.]*)(\s*)(>=|<=|[<>=!]*)(\s*)([-+\w.]*)(\s*)(.*)$/s;

/** Numbers as in YAML and JSON, without hexadecimal: `0x10` is probably a mistake. */
const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

export function commandGates(texts: readonly string[]): WrittenGate[] {
  const problems: Diagnostic[] = [];
  const gates = texts.flatMap(text => {
    try {
      return [commandGate(text)];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
      return [];
    }
  });
  if (problems.length > 0) throw usageError(...problems);
  return gates;
}

function commandGate(text: string): WrittenGate {
  const source = new SourceText(GATE_OPTION, text, '');
  const [, lead, metric, gap, comparison, gap2, number, gap3, rest] = FORM.exec(text) ?? [];
  const fail = (at: number, length: number, message: string, more: Partial<Diagnostic>): UserError => {
    const place = positionOf(source.place(at, at + Math.max(1, length)));
    return usageError({ code: 'cli/gate', message, ...place, ...more });
  };
  const metricAt = lead.length;
  const comparisonAt = metricAt + metric.length + gap.length;
  const numberAt = comparisonAt + comparison.length + gap2.length;
  const restAt = numberAt + number.length + gap3.length;
  if (!metrics().some(one => one === metric)) {
    const suggestion = meant(metric);
    const expected = { expected: metrics().join(' | '), ...(suggestion !== undefined && { suggestion }) };
    throw fail(
      metricAt,
      metric.length,
      metric === '' ? 'a gate starts with a metric' : `there is no metric ${metric}`,
      expected,
    );
  }
  if (comparison !== '>=' && comparison !== '<=')
    throw fail(comparisonAt, comparison.length, 'a gate compares with >= or <=', {
      expected: `${metric} >= NUMBER, or ${metric} <= NUMBER`,
      ...(/^[<>]/.test(comparison) && { suggestion: `${comparison[0]}=` }),
    });
  const bound = Number(number);
  if (!DECIMAL.test(number) || !Number.isFinite(bound))
    throw fail(
      numberAt,
      number.length,
      `a gate compares with a number${number === '' ? '' : `, not ${number}`}`,
      {
        expected: 'a number such as 0.97',
      },
    );
  const over = overOf(rest, metric, (message, more) => fail(restAt, rest.trimEnd().length, message, more));
  return { metric, over, [comparison === '>=' ? 'min' : 'max']: bound, origin: GATE_OPTION };
}

function overOf(
  rest: string,
  metric: string,
  fail: (message: string, more: Partial<Diagnostic>) => UserError,
): WrittenGate['over'] {
  if (rest === '') return 'last';
  const [word, which, ...more] = rest.trim().split(/\s+/);
  const over = OVER.find(one => one === which);
  const expected = 'nothing, or `over last`, `over best` or `over seeds`';
  if (word !== 'over' || over === undefined || more.length > 0) {
    const near = word === 'over' && which !== undefined ? nearest(which, OVER) : undefined;
    throw fail('cannot parse the gate', {
      expected,
      ...(near !== undefined && { suggestion: `over ${near}` }),
    });
  }
  if (over === 'best' && isPerformance(metric))
    throw fail(`${metric} is measured once, so it has no best value`, {
      expected: 'over last, or over seeds',
    });
  return over;
}

/**
 * The metric that was probably meant. `ms_per_step` means `performance.ms_per_step`, as in reports;
 * a name that several splits have is ambiguous.
 */
function meant(metric: string): string | undefined {
  const [alike, ...others] = metrics().filter(one => one.endsWith(`.${metric}`));
  return alike !== undefined && others.length === 0 ? alike : nearest(metric, metrics());
}

/** Names of metrics from the schema of a config. */
function metrics(): readonly GateMetricName[] {
  return (schemaAt(['gates', 0, 'metric'], {})?.enum ?? []) as readonly GateMetricName[];
}
