"""The learner's copy and the lecturer's desk."""
