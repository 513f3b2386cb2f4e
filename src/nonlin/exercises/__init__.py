"""What an exercise, a mistake, a hint and a quiz are, and how an answer is judged. The lessons hold them."""

from nonlin.exercises.exercise import Exercise, Feedback, Mistake, Probe, judge
from nonlin.exercises.quiz import Option, Question, Quiz

__all__ = ["Exercise", "Feedback", "Mistake", "Option", "Probe", "Question", "Quiz", "judge"]
