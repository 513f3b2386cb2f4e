"""What exercises, hints, predictions and quizzes are, and how an answer is judged. The lessons hold them."""

from nonlin.exercises.exercise import Exercise, Feedback, Mistake, Probe
from nonlin.exercises.key import judge
from nonlin.exercises.prediction import Prediction, explain, outcome, predict
from nonlin.exercises.quiz import Option, Question, Quiz

__all__ = [
    "Exercise",
    "Feedback",
    "Mistake",
    "Option",
    "Prediction",
    "Probe",
    "Question",
    "Quiz",
    "explain",
    "judge",
    "outcome",
    "predict",
]
