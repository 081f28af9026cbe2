/** What a report shows of an evaluation of classes. */
import { CLASS_SCORES, type Hear, onOneLine, scoresOf, visible } from '../core/report.js';
import { type ClassEvaluation, confusionOfLargest, type MistakeContext } from './facts.js';

export type ClassReport = ReturnType<typeof classReport>;

export function classReport(written: ClassEvaluation, hear: Hear) {
  const { accuracy, predictions, undecided, mistakes, images } = written;
  const names = namesOf(written);
  return {
    kind: 'class' as const,
    names,
    ...confusionsOf(written, names),
    right: Math.round((accuracy ?? 0) * predictions),
    undecided,
    mistakes: mistakes.map(({ loss: _, context, ...mistake }) => ({
      ...{ id: null, step_in_sequence: null, image: null, over_time: null },
      ...mistake,
      context: context ? contextOf(context) : null,
      recording: hear(mistake),
    })),
    images: images && { width: images.width, height: images.height },
    scores: scoresOf('class', CLASS_SCORES, written.per_class, names),
  };
}

function namesOf({ class_names: names, classes }: ClassEvaluation): readonly string[] {
  return names?.map(visible) ?? Array.from({ length: classes }, (_, i) => String(i));
}

/** Spaces between words stay; the place of the mistake is visible even if it is a space. */
function contextOf({ before, at, after }: MistakeContext): MistakeContext {
  return { before: onOneLine(before), at: visible(at), after: onOneLine(after) };
}

/** The confusion matrix to show, and the whole one if that leaves out classes. */
function confusionsOf(written: ClassEvaluation, names: readonly string[]) {
  const { confusion, confusion_of_largest: given } = written;
  const whole = confusion && { names, counts: confusion, others: 0 };
  const largest = given ?? (confusion ? confusionOfLargest(confusion) : undefined);
  if (largest === undefined) return { confusion: whole, whole: null };
  const others = names.length - largest.classes.length;
  const shown = [...largest.classes.map(k => names[k]), `${others} others`];
  return { confusion: { names: shown, counts: largest.counts, others }, whole };
}
