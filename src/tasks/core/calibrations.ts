/** How the temperatures of each kind of probabilities are fitted. */
import { classTemperature, labelTemperature } from '../../math/confidence/temperature.js';
import type { Scored } from '../../math/metrics/metric.js';
import type { Calibration, CalibrationCase } from './task.js';

const copied = ({ outputs, target }: Scored) => [
  () => ({ logits: outputs.slice(), targets: Float64Array.from(target) }),
];

const ofClasses = (cases: readonly CalibrationCase[]) => [
  classTemperature({
    logits: cases.map(({ logits }) => logits),
    labels: cases.map(({ targets }) => targets[0]),
  }),
];

/** One temperature for all classes. */
export const classCalibration: Calibration = { casesOf: copied, temperatures: ofClasses };

/** One for each label. */
export const labelCalibration: Calibration = {
  casesOf: copied,
  temperatures: (cases, outputSize) =>
    Array.from({ length: outputSize }, (_, i) =>
      labelTemperature(
        cases.map(({ logits }) => logits[i]),
        cases.map(({ targets }) => targets[i]),
      ),
    ),
};

/**
 * Of a decoder: each symbol of a target and the boundary after them are a class, after the symbols
 * before.
 */
export const symbolCalibration: Calibration = {
  casesOf({ outputs, target }, outputSize) {
    const boundary = outputSize - 1;
    if (target.includes(boundary)) return [];
    return [...target, boundary].map((symbol, s) => () => ({
      logits: outputs.slice(s * outputSize, (s + 1) * outputSize),
      targets: Float64Array.of(symbol),
    }));
  },
  temperatures: ofClasses,
};
