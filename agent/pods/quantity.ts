import { milliValueOf, parseQuantity, valueOf } from '../config/quantity.ts';

/** Whole units of a quantity in a pod's spec, rounded up; 0 where none is given. The API server lets no other text pass. */
export const wholeValue = (quantity: string | undefined): number => Number(valueOf(parseQuantity(quantity ?? '0')));

/** Thousandths, rounded up; 0 where none is given. */
export const milliValue = (quantity: string | undefined): number =>
  Number(milliValueOf(parseQuantity(quantity ?? '0')));
