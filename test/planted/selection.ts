/**
 * Errors in what selects by a validation split: early stopping, the best weights, the final test.
 */
import { plantsOf } from './plant.js';

export const selection = plantsOf({
  'src/train/early-stopping': [
    [
      '.stale >= settings.patience',
      '.stale > settings.patience',
      'training goes on for one evaluation too many',
      'validation',
    ],
    [
      '(value - best) > min_delta',
      '(value - best) >= min_delta',
      'an equal value counts as an improvement',
      'validation',
    ],
  ],
  'src/train/loop': [
    "evaluation.dataset.validation ? 'validation' : 'test'",
    "evaluation.dataset.validation ? 'test' : 'test'",
    'the test split selects although there is a validation split',
    'validation',
  ],
  'src/train/checkpoints': [
    [
      '...(Object.keys(history.saved).length > 0 && { history: history.saved })',
      '...(Object.keys(history.saved).length < 0 && { history: history.saved })',
      'a resumed run counts its patience from zero',
      'validation',
    ],
    [
      'bestOf(listCheckpoints(folder))',
      'listCheckpoints(folder).at(-1)',
      'the last weights are restored in place of the best',
      'validation',
    ],
  ],
  'src/run/log': [
    "hasValidation && isEvaluation && event.split === 'test'",
    "!hasValidation && isEvaluation && event.split === 'test'",
    'a longer run keeps the test evaluation of its old end',
    'validation',
  ],
});
