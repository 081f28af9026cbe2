/** Checks of values. */
import { targetsOfKind } from '../../data/core/targets.js';
import { outputsPerNumber } from '../../math/losses/index.js';
import type { TaskChecks } from '../core/checks.js';

export const valueOutputs: TaskChecks['outputs'] = (loss, targets) =>
  targetsOfKind('value', targets).size * outputsPerNumber(loss);

export const valueChecks: TaskChecks = {
  outputs: valueOutputs,
  problems: () => [],
  damage: () => [],
  *warnings({ loss, places }) {
    if (loss.kind !== 'quantile' || loss.quantiles.includes(0.5)) return;
    const nearest = loss.quantiles.reduce((a, b) => (Math.abs(b - 0.5) < Math.abs(a - 0.5) ? b : a));
    const message = `without quantile 0.5, predicted values and their metrics are those of quantile ${nearest}`;
    yield places.atValue(['loss', 'quantiles'], 'config/no-median', message, { expected: '0.5 among them' });
  },
};
