/** Parameters that training treats apart: frozen ones, and groups with other learning rates. */
import type { LoadedExperiment } from '../config/index.js';
import type { Path } from '../config/yaml/tree.js';
import type { Parameter, ParameterLayout } from '../math/model/parameters.js';
import type { ElementFactors } from '../math/optimizers/optimizer.js';
import { paddedSize } from '../math/optimizers/program.js';
import { type Diagnostic, usageErrors } from '../util/errors.js';

export interface ParameterGroups {
  /** Without gradients and decay: no optimizer changes a bit of them. */
  readonly frozen: readonly Parameter[];
  /** In the order of the flat array, and padded like it. */
  readonly factors: ElementFactors<Float32Array>;
}

/** True for names that one of the patterns matches; `*` matches any text. */
export function namedBy(patterns: readonly string[]): (name: string) => boolean {
  const matchers = patterns.map(nameMatcher);
  return name => matchers.some(matcher => matcher.test(name));
}

/** Captures what each `*` matches. */
export function nameMatcher(pattern: string): RegExp {
  const parts = pattern.split('*').map(part => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('(.*)')}$`, 's');
}

/** Patterns of a config, by their place, that name no parameter. */
export function unknownNames(
  { locator }: LoadedExperiment,
  { parameters }: ParameterLayout,
  places: readonly (readonly [path: Path, patterns: readonly string[]])[],
): Diagnostic[] {
  const names = parameters.map(({ name }) => name);
  return places.flatMap(([path, patterns]) =>
    patterns.flatMap((pattern, i) =>
      names.some(namedBy([pattern]))
        ? []
        : locator.atValue(
            [...path, i],
            'config/parameters',
            `\`${pattern}\` names no parameter of the model`,
            { expected: names.join(' | ') },
          ),
    ),
  );
}

/** Refuses patterns that name no parameter, and a model with nothing to train. */
export function checkGroups(loaded: LoadedExperiment, layout: ParameterLayout): void {
  const { experiment, locator } = loaded;
  const { freeze = [] } = experiment.training;
  const { parameter_groups: groups = [] } = experiment.optimizer;
  const problems = unknownNames(loaded, layout, [
    [['training', 'freeze'], freeze],
    ...groups.map(
      ({ parameters }, g) => [['optimizer', 'parameter_groups', g, 'parameters'], parameters] as const,
    ),
  ]);
  if (layout.parameters.every(({ name }) => namedBy(freeze)(name)))
    problems.push(
      locator.atKey(['training', 'freeze'], 'config/frozen', 'no parameter is left to train', {
        expected: 'patterns that leave some of the parameters',
      }),
    );
  if (problems.length > 0) throw usageErrors(problems);
}

/** The groups of a config that `checkGroups` accepts. */
export function parameterGroups({ experiment }: LoadedExperiment, layout: ParameterLayout): ParameterGroups {
  const { freeze = [] } = experiment.training;
  const { parameter_groups: groups = [], weight_decay_on, learning_rate } = experiment.optimizer;
  const isFrozen = namedBy(freeze);
  const frozen = layout.parameters.filter(({ name }) => isFrozen(name));

  const mask = (value: (parameter: Parameter) => number) => {
    const values = new Float32Array(paddedSize(layout.size));
    for (const parameter of layout.parameters)
      values.fill(value(parameter), parameter.offset, parameter.offset + parameter.size);
    return values;
  };
  const onlyWeights = weight_decay_on === 'weights';
  const decays = ({ name, shape }: Parameter) => !isFrozen(name) && (shape.length > 1 || !onlyWeights);
  const rates = groups.map(group => [namedBy(group.parameters), group.learning_rate] as const);
  const rateOf = ({ name }: Parameter) => rates.find(([isIn]) => isIn(name))?.[1] ?? learning_rate;
  return {
    frozen,
    factors: {
      ...((onlyWeights || frozen.length > 0) && { decayed: mask(parameter => Number(decays(parameter))) }),
      ...(groups.length > 0 && { rates: mask(parameter => rateOf(parameter) / learning_rate) }),
    },
  };
}
