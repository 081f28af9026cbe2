/** `config show`, `config explain` and `config diff`: print resolved configs. */

import {
  type ConfigDifference,
  configDifferences,
  type ExplainedKey,
  type ExplainedValue,
  explainKey,
  explainValues,
} from '../../config/explain.js';
import { loadExperiment } from '../../config/index.js';
import { EXIT } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { defineVerb, flag, set } from '../command/verb.js';

const options = { set, json: flag('print JSON') };

export const show = defineVerb({
  arguments: '<config>',
  options,
  action([config], { set, json }, { io }) {
    const { experiment, resolvedYaml } = loadExperiment(config, { set });
    io.data(json ? document(experiment) : resolvedYaml);
    return EXIT.done;
  },
});

export const explain = defineVerb({
  arguments: '<config> [key]',
  options,
  action([config, key], { set, json }, { io }) {
    const loaded = loadExperiment(config, { set });
    const explained = key === undefined ? explainValues(loaded) : explainKey(loaded, key);
    if (json) io.data(document(explained));
    else io.out('key' in explained ? formatKey(explained) : formatValues(explained));
    return EXIT.done;
  },
});

export const diff = defineVerb({
  arguments: '<config> <other>',
  options,
  help: 'Exit code 0 even if the configs differ.',
  action([a, b], { set, json }, { io }) {
    const [first, second] = [loadExperiment(a, { set }), loadExperiment(b, { set })];
    const differences = configDifferences(first, second);
    const written = (side: ConfigDifference['a']) =>
      side === undefined ? 'not set' : JSON.stringify(side.value);
    const lines = differences.map(({ key, a, b }) => `${key}: ${written(a)} -> ${written(b)}\n`);
    if (json) io.data(document({ version: 1, a, b, equal: differences.length === 0, differences }));
    else if (lines.length === 0) io.out(`${printable(a)} and ${printable(b)} resolve to the same config.\n`);
    else io.out(`--- ${printable(a)}\n+++ ${printable(b)}\n${lines.join('')}`);
    return EXIT.done;
  },
});

function document(content: unknown): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** `key = value` in one column, the origin in another. */
function formatValues(values: readonly ExplainedValue[]): string {
  const texts = values.map(({ key, value }) => `${key} = ${JSON.stringify(value)}`);
  const width = Math.min(60, Math.max(0, ...texts.map(text => text.length)));
  return values.map(({ origin }, i) => `${texts[i].padEnd(width)}  ${origin}\n`).join('');
}

function formatKey({ key, description, expected, values, examples, ...rest }: ExplainedKey): string {
  // a default that depends on other keys is already a sentence
  const words = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const lines = [
    key,
    `  ${description}`,
    `  expected: ${expected}`,
    ...('default' in rest ? [`  default:  ${words(rest.default)}`] : []),
    ...(examples.length > 0 ? [`  example:  ${examples.map(one => JSON.stringify(one)).join('  ')}`] : []),
  ];
  return `${lines.join('\n')}\n\n${values.length === 0 ? 'not set\n' : formatValues(values)}`;
}
